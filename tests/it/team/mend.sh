look --sprint "$FORMER"
conductor show review --sprint "$FORMER" --artifact | grep -q wrold
conductor run build --wait --timeout 100s -- \
    sh -c 'sed -i s/wrold/world/ greet.sh && git commit -q -a -m "greet the world"'
