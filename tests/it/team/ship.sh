# Where what it waits for can never come true, it is told at once.
conductor claim ship --wait --timeout 100s
look
git push -q origin HEAD:main
conductor complete ship
