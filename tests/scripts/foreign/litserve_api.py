import litserve as ls


class Api(ls.LitAPI):
    def predict(self, x):
        return x


if __name__ == "__main__":
    ls.LitServer(Api()).run()
