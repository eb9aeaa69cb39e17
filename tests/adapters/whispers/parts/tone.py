from parts.volume import LOW

TONE = f"warm-{LOW}"
