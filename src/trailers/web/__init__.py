"""Downloads from links, with retries and resumption. The only package that calls yt-dlp."""
