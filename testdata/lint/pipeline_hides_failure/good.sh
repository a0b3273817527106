next_stage && make > /var/log/make.log 2>&1
