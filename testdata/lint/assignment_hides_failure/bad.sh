export VERSION=$(get-version)
