nextstage && make
next-stage && make
Everytime && make
every_time && make || true
"next_stage" && make
