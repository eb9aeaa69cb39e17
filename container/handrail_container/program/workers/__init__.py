"""Where snippets run: supervised processes, one call at a time each, that can be stopped whatever they are doing."""
