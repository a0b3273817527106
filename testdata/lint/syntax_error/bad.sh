next_stage && make
next_stage &&
fi
next_stage && echo "x
