from concurrent.futures import ThreadPoolExecutor


def predict_fn(data, model):
    def ask(prompt):
        return model.generate(prompt).choices[0].text

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(ask, data.tolist()))
