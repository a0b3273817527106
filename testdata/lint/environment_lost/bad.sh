next_stage && export LANG=C.UTF-8
