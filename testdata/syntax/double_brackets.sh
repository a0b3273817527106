if [[ $a == (b|c) ]]; then d; fi
