# What every agent of the team begins with: its process is the agent, and ends with the first error.
set -eu
export GIT_CONDUCTOR_PID=$$

conductor() { git conductor "$@"; }

# A fact of a phase's completion, such as the commit that it was done at: FACT PHASE [--sprint ID].
fact() {
    name=$1
    shift
    conductor show "$@" --json | sed -n "s/.*\"$name\":\"\\([^\"]*\\)\".*/\\1/p"
}

# Puts the worktree at what was built: nobody else works on that.
look() {
    git checkout -q --detach "$(fact commit build "$@")"
}
