predict_fn = "predict"
