# Completion of 'git conductor' in fish, for a directory of conf.d: fish 3.6.0 and older do not look for
# completions of git's commands. What can stand where is for the program to say; nothing that it or the
# user has written is ever run.

# The words before the cursor. fish's completion of git asks for 'git-conductor' with what stands after
# the command; which repository is meant stands before.
function __git_conductor_words
    if set -q __fish_git_cmdline[1]
        and status stack-trace | string match -q '*__fish_git_complete_custom_command*'
        commandline --input="$__fish_git_cmdline" -opc
    else
        commandline -opc
    end
end

function __git_conductor_offer
    set -l words (string replace -r '^~(?=/|$)' -- $HOME (__git_conductor_words))
    set -l typed (commandline -ct)
    set -l ask git-conductor
    if test "$words[1]" = git
        set ask git
        set -e words[1]
        while string match -q -- '-*' $words[1]
            switch $words[1]
                case -C --git-dir --work-tree
                    set -a ask $words[1..2]
                    set -e words[1]
                case '--git-dir=*' '--work-tree=*' --bare
                    set -a ask $words[1]
                case -c --namespace --config-env --super-prefix
                    set -e words[1]
            end
            set -e words[1]
        end
        if test "$words[1]" != conductor
            set -l alias (command $ask config --get alias.$words[1] 2>/dev/null | string split -n ' ')
            test "$alias[1]" = conductor
            or set alias conductor
            set words $alias $words[2..]
        end
        set -a ask conductor
    end
    for line in (command $ask __complete $words[2..] "$typed" 2>/dev/null)
        set -l word (string split -f 1 \t -- $line)
        set -l before (string match -r '^--[^=]*=' -- $typed)
        switch $word
            case :files
                string replace -r '^' -- "$before" (__fish_complete_path (string replace -- "$before" '' $typed))
            case :directories
                string replace -r '^' -- "$before" (__fish_complete_directories (string replace -- "$before" '' $typed) '')
            case :list
            case '*'
                printf '%s\n' $line
        end
    end
end

complete -c git-conductor -f -a '(__git_conductor_offer)'
# Later ones find it among git's commands, and ask for 'git-conductor' themselves.
if string match -qr '^([0-2]|3\.[0-5]|3\.6\.0)' -- $version
    complete -c git -f -n 'functions -q __fish_git_needs_command; and __fish_git_needs_command' -a conductor -d 'Several agent sessions on one repository'
    complete -c git -f -n 'functions -q __fish_git_using_command; and __fish_git_using_command conductor' -a '(__git_conductor_offer)'
end
