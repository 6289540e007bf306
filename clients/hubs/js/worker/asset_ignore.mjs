// .assetsignore: which files of `assets` are none, in the words of .gitignore.

// A function of a path below the directory.
export function ignoring(text) {
  const rules = text.split(/\r?\n/).map((line) => line.replace(/(?<!\\)\s+$/, ''))
    .filter((line) => line && !line.startsWith('#')).map((line) => {
      const not = line.startsWith('!');
      return {ignored: !not, pattern: patternOf(not ? line.slice(1) : line)};
    });
  return (name) => {
    let is = false;
    for (const {ignored, pattern} of rules) {
      if (pattern.test(name)) is = ignored;
    }
    return is;
  };
}

// What a folder's name fits, all that is in it fits. A name without a slash counts in every folder.
function patternOf(line) {
  const folder = line.endsWith('/');
  const glob = line.replace(/\/$/, '');
  const rooted = glob.includes('/');
  const source = glob.replace(/^\//, '').replace(/\*\*\/|\*\*|\*|\?|\\.|\[[^\]]*\]|[^*?\\[]/g, (part) => {
    switch (part) {
      case '**/': return '(?:.*/)?';
      case '**': return '.*';
      case '*': return '[^/]*';
      case '?': return '[^/]';
      default: break;
    }
    if (part.length > 1 && part[0] === '[') return part.replace(/^\[!/, '[^');
    return part.at(-1).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${rooted ? '' : '(?:.*/)?'}${source}${folder ? '/' : '(?:/|$)'}`);
}
