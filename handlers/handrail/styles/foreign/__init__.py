"""Recognises scripts written for other servers, so that none is ignored silently."""
