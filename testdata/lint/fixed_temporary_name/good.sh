everytime && today=$(mktemp) && date > "$today"
