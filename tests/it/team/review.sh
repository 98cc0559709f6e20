conductor claim review --wait --timeout 100s
look
./greet.sh >review.md
if grep -qx 'hello, world' review.md; then
    conductor complete review --artifact review.md
else
    conductor complete review --artifact review.md --verdict fail
fi
