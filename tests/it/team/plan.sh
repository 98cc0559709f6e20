conductor claim plan --wait --timeout 100s
printf 'write greet.sh: ' >plan.md
conductor show think --artifact >>plan.md
conductor complete plan --artifact plan.md
rm plan.md
