from handlers import infer, ping
