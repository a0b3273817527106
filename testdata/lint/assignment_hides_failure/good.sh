VERSION=$(get-version) && export VERSION
