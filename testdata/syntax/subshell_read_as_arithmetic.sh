x=$((a; b) | c)
