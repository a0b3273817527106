if [ -d x ]; then
    cd x
else
    mkdir x
