def handler(job):
    return {"mine": job["input"]}
