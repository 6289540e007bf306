"""python3 deploy/debian/generate --bin DIR --out DIR --version VERSION --date YYYY-MM-DD: makes of what the programs in
DIR say of themselves their manual pages (PROGRAM.8), configuration files (gateway.toml) and completions (bash/PROGRAM,
zsh/_PROGRAM, fish/PROGRAM.fish)."""

import argparse
import os
import subprocess
import sys

import completions
import config_file
import help_text
import man_page
import programs


def _write(text, *path):
    os.makedirs(os.path.join(*path[:-1]), exist_ok=True)
    with open(os.path.join(*path), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="directory of the programs")
    parser.add_argument("--out", required=True, help="directory for what is made")
    parser.add_argument("--version", required=True, help="of the project")
    parser.add_argument("--date", required=True, help="of the version, YYYY-MM-DD")
    arguments = parser.parse_args()
    try:
        for program in programs.PROGRAMS:
            command = help_text.ask(arguments.bin, program.name)
            _write(man_page.write(program, command, arguments.version, arguments.date), arguments.out,
                   f"{program.name}.{program.section}")
            for shell, (path, write) in completions.SHELLS.items():
                _write(write(program, command), arguments.out, shell, path.format(program.name))
            if program.server:
                environment = {name: value for name, value in os.environ.items() if not name.startswith("DORMOUSE_")}
                checked = subprocess.run([os.path.join(arguments.bin, program.name), "--check-config"], env=environment,
                                         stdout=subprocess.PIPE, text=True, check=True).stdout
                _write(config_file.write(program, command, checked), arguments.out, f"{program.short}.toml")
    except (help_text.Unreadable, ValueError) as error:
        sys.exit(f"deploy/debian/generate: {error}")


if __name__ == "__main__":
    main()
