"""What a person runs by hand: status, verify, doctor, retry and the others."""
