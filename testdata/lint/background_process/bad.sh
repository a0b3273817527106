next_stage && service postgresql start
