"""Activation hooks: make conda and mamba use a generation by its own path when it is activated by its link.

They put the link ``DIR/NAME`` into PATH and CONDA_PREFIX. A process started by ``DIR/NAME/bin/python`` would import
from the next generation once the link has changed, so the last activation script puts the generation's own path there.
If that path is there already, or the volume is mounted elsewhere, it changes nothing.
"""

from __future__ import annotations

from pathlib import Path

from envkit.activation import HOOK, quote
from envkit.layout.atomic import write_atomic
from envkit.paths import USES

_ABOUT = "# Written by envkit: use this generation, not the link that named it and may name the next one tomorrow."

# -ef: the same directory. No command is started; PATH is searched from its beginning, as conda does.
_SH = """{about}
if [ -n "${{CONDA_PREFIX:-}}" ] && [ "$CONDA_PREFIX" != {prefix} ] && [ "$CONDA_PREFIX" -ef {prefix} ]; then
    case ":$PATH:" in
        *":$CONDA_PREFIX/bin:"*)
            _envkit_path=":$PATH:"
            _envkit_path="${{_envkit_path%%":$CONDA_PREFIX/bin:"*}}:"{prefix}"/bin:${{_envkit_path#*":$CONDA_PREFIX/bin:"}}"
            _envkit_path="${{_envkit_path#:}}"
            export PATH="${{_envkit_path%:}}"
            unset _envkit_path
            ;;
    esac
    export CONDA_PREFIX={prefix}
    hash -r 2>/dev/null || true
fi
# A mark of use for `envkit clean`, as envkit/marks.py leaves it: in a subshell, whose variables are its own.
if [ -r /proc/$$/stat ] && [ -w {uses} ] && [ ! -L {uses} ]; then
    (
        [ -z "${{ZSH_VERSION:-}}" ] || setopt shwordsplit noclobber
        set -Cf
        read -r _stat < /proc/$$/stat && read -r _boot < /proc/sys/kernel/random/boot_id || exit 0
        read -r _host < /proc/sys/kernel/hostname || _host=-
        case $_host in *[!A-Za-z0-9._-]*|"") _host=- ;; esac
        _space=$(readlink /proc/$$/ns/pid) || exit 0
        _space=${{_space#*:?}}
        set -- ${{_stat##*) }}
        : > {uses}/{generation}"~$_host~${{_boot%%-*}}-${{_space%?}}~$$~${{20}}"
    ) 2>/dev/null || true
fi
"""

# The same for shells of another kind, which hand over their number. csh takes no line break in it, and no "!".
_MARK = (
    "set -Cf; read -r s < /proc/$1/stat && read -r b < /proc/sys/kernel/random/boot_id || exit 0; "
    'h=$(uname -n | tr -c "A-Za-z0-9._\\n-" -); n=$(readlink /proc/$1/ns/pid) || exit 0; '
    'n=${{n#*:?}}; p=$1; u=$2; test -L "${{u%/*}}" && exit 0; set -- ${{s##*) }}; '
    ': > "$u~${{h:--}}~${{b%%-*}}-${{n%?}}~$p~${{20}}"'
)

_FISH = """{about}
if set -q CONDA_PREFIX; and test "$CONDA_PREFIX" != {prefix}; and test "$CONDA_PREFIX" -ef {prefix}
    if set -l _envkit_at (contains -i -- "$CONDA_PREFIX/bin" $PATH)
        set -gx PATH[$_envkit_at] {prefix}/bin
    end
    set -gx CONDA_PREFIX {prefix}
end
if test -w {uses}; and test -r /proc/$fish_pid/stat
    sh -c '{mark}' sh $fish_pid {uses}/{generation} 2>/dev/null
end
true
"""

_CSH = """{about}
if ( $?CONDA_PREFIX ) then
    if ( "$CONDA_PREFIX" != {prefix} ) then
        if ( "`readlink -f $CONDA_PREFIX:q`" == {prefix} ) then
            set _envkit_path = ()
            foreach _envkit_entry ( $path:q )
                if ( "$_envkit_entry" == "$CONDA_PREFIX/bin" ) set _envkit_entry = {prefix}/bin
                set _envkit_path = ( $_envkit_path:q $_envkit_entry:q )
            end
            set path = ( $_envkit_path:q )
            unset _envkit_path _envkit_entry
            setenv CONDA_PREFIX {prefix}
        endif
    endif
endif
if ( -w {uses} && -r /proc/$$/stat ) then
    sh -c '{mark}' sh $$ {uses}/{generation} >& /dev/null
endif
"""


def write_hooks(prefix: Path, place: Path) -> None:
    """Write the hooks of a new generation, readable by all; `place` is another path to it.

    Raises:
        OSError: The volume refuses them.
    """
    folder = place / "etc" / "conda" / "activate.d"
    folder.mkdir(parents=True, exist_ok=True)
    word = quote(str(prefix))  # also what fish and csh take: volumes have no quotes in their paths
    for suffix, text in ((".sh", _SH), (".fish", _FISH), (".csh", _CSH)):
        mark = _MARK.format()
        places = {"mark": mark, "uses": quote(str(prefix.parent.parent / USES)), "generation": quote(prefix.name)}
        write_atomic(folder / f"{HOOK}{suffix}", text.format(about=_ABOUT, prefix=word, **places), durable=False)
