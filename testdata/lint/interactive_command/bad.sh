next_stage && ssh-keygen -t ed25519
