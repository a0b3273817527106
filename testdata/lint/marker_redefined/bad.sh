next_stage() { return 0; }
alias everytime='next_stage'
unset -f everytime
