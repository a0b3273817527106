(next_stage && cd /src && make)
{ everytime && make; } | tee log
commit=$(everytime && git rev-parse HEAD)
prepare() { everytime && make; }
(prepare)
