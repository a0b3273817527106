cat <<< "$x"
b
