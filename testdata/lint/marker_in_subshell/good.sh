next_stage && (cd /src && make)
everytime && { printf "x\n" | tee log; }
everytime && make
everytime && commit=$(git rev-parse HEAD)
{ everytime && make; } 2>&1
prepare() { everytime && make; }
prepare
