"""Links to bytes, patiently: the only room that calls yt-dlp."""
