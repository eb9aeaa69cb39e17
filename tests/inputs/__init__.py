"""The request shape of TGI and LMI: what each behaviour is there and here, a row each.

`docs/compatibility/inputs.md` shows them. The originals' cells are from their documents and sources; ours are run.
"""
