conductor claim think --wait --timeout 100s
echo 'greet.sh says hello to whom it is told, and to the world by default' >think.md
conductor complete think --artifact think.md
