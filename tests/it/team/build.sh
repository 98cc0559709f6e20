conductor claim build --wait --timeout 100s
conductor show plan --artifact | grep -q 'write greet.sh: greet.sh says hello'
printf '#!/bin/sh\n' >greet.sh
chmod +x greet.sh
: >"$TEAM/half-done"
# It thinks for longer than it will live.
exec sleep 100
