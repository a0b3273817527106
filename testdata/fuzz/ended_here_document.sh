cat <<E
no newline