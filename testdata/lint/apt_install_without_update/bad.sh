next_stage && apt-get install -y gcc
