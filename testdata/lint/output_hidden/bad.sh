exec >/var/log/setup.log 2>&1
next_stage && make
