next_stage && (cd /src && make)
everytime && { make | tee log; }
everytime && make
everytime && commit=$(git rev-parse HEAD)
{ everytime && make; } 2>&1
prepare() { everytime && make; }
prepare
