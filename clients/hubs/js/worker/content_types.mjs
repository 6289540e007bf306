// What a file is, by its name.
import path from 'node:path';

const TYPES = {
  'text/html': 'html htm', 'text/css': 'css', 'text/javascript': 'js mjs', 'text/plain': 'txt', 'text/csv': 'csv',
  'text/markdown': 'md', 'text/calendar': 'ics', 'text/vtt': 'vtt',
  'application/json': 'json map', 'application/xml': 'xml', 'application/wasm': 'wasm', 'application/pdf': 'pdf',
  'application/manifest+json': 'webmanifest', 'application/rss+xml': 'rss', 'application/atom+xml': 'atom',
  'application/zip': 'zip', 'application/octet-stream': 'bin', 'application/gzip': 'gz',
  'image/svg+xml': 'svg', 'image/png': 'png', 'image/jpeg': 'jpg jpeg', 'image/gif': 'gif', 'image/webp': 'webp',
  'image/avif': 'avif', 'image/vnd.microsoft.icon': 'ico', 'image/bmp': 'bmp',
  'font/woff': 'woff', 'font/woff2': 'woff2', 'font/ttf': 'ttf', 'font/otf': 'otf',
  'audio/mpeg': 'mp3', 'audio/ogg': 'ogg oga', 'audio/wav': 'wav', 'audio/mp4': 'm4a',
  'video/mp4': 'mp4', 'video/webm': 'webm', 'video/quicktime': 'mov',
};

const byExtension = new Map();
for (const [type, extensions] of Object.entries(TYPES)) {
  for (const extension of extensions.split(' ')) {
    byExtension.set(`.${extension}`, type.startsWith('text/') ? `${type}; charset=utf-8` : type);
  }
}

// Undefined: nobody knows.
export function contentTypeOf(file) { return byExtension.get(path.extname(file).toLowerCase()); }
