custom_sagemaker_ping_handler = None
