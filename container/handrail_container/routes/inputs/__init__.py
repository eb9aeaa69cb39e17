"""The request shape of TGI, LMI and Hugging Face: `{"inputs": …, "parameters": {…}, "stream": …}`.

It is translated into a request of the OpenAI API, and the engine's answer back; what is asked of the engine passes the
same bounds as any other request. No other module of `routes/` knows the shape.
"""
