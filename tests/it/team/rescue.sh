conductor claim build --takeover
saved=$(git for-each-ref --format='%(refname)' refs/conductor/salvage)
git checkout "$saved" -- greet.sh
[ -x greet.sh ]
echo 'echo "hello, ${1:-wrold}"' >>greet.sh
git add greet.sh
git commit -q -m 'greet'
conductor complete build
