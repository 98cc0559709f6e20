conductor wait security --for claimable --timeout 100s
conductor claim security
look
if grep -q eval greet.sh; then exit 1; fi
conductor complete security
