from sagemaker_inference import content_types, decoder, encoder, utils


def model_fn(model_dir):
    return 2


def input_fn(data, content_type):
    return decoder.decode(data, content_type)


def predict_fn(data, model):
    return data * model


def output_fn(prediction, accept):
    for wanted in utils.parse_accept(accept):
        if wanted in encoder.SUPPORTED_CONTENT_TYPES:
            return encoder.encode(prediction, wanted), wanted
    return encoder.encode(prediction, accept), content_types.JSON
