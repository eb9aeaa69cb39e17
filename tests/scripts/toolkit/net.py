class Net:
    def forward(self, data):
        return "forward"
