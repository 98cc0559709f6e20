conductor wait build --timeout 100s
look
conductor run qa --wait --timeout 100s --artifact qa.md -- \
    sh -c './greet.sh you >qa.md && grep -qx "hello, you" qa.md'
