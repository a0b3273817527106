next_stage && make 2>&1 | tee /var/log/make.log
