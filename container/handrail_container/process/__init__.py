"""Facts and tools of this process: exit statuses, logs, threads, children, signals."""
