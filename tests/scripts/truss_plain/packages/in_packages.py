PLACE = "packages"
