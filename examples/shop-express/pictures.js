/** A drawing of each article; the same as in the shop on Litestar. */

export const PICTURES = {
  pot:
    '<ellipse class="warm" cx="80" cy="22" rx="5" ry="4"/><path d="M50 38c4-10 56-10 60 0"/><path class="paper" d="M46 42h68v42c0 9-7 16-16 16H62c-9 0-16-7-16-16z"/><path d="M42 42h76M46 54H34c-4 0-4 10 0 10h12M114 54h12c4 0 4 10 0 10h-12"/>',
  mug:
    '<path class="paper" d="M54 40h46v44c0 7-5 12-12 12H66c-7 0-12-5-12-12z"/><path d="M100 52h10c12 0 12 26 0 26h-10"/><path class="warm" d="M54 64h46v12H54z"/><path d="M66 30c-4-6 4-8 0-14M78 30c-4-6 4-8 0-14M90 30c-4-6 4-8 0-14"/>',
  candle:
    '<path class="warm" d="M80 18c9 11 8 20 0 22-8-2-9-11 0-22z"/><path d="M80 40v8"/><path class="paper" d="M66 48h28v44H66z"/><path d="M66 58c6 4 8 0 14 4s8-2 14 2M46 96h68c0 6-6 8-12 8H58c-6 0-12-2-12-8z"/>',
  board:
    '<path class="paper" d="M40 46h62c6 0 8 4 8 10v2h18c8 0 8 16 0 16h-18v2c0 6-2 10-8 10H40c-6 0-8-4-8-10V56c0-6 2-10 8-10z"/><path d="M44 58h44M44 74h30"/><circle class="warm" cx="127" cy="66" r="3.5"/><path class="warm" d="M66 46c0-16 28-16 28 0z"/>',
  apron:
    '<path class="paper" d="M66 34h28c0 14 8 20 20 22v42c-20 8-48 8-68 0V56c12-2 20-8 20-22z"/><path d="M66 34c0-22 28-22 28 0M46 62l-16 8M114 62l16 8"/><path class="warm" d="M64 68h32v16c0 4-3 6-6 6H70c-3 0-6-2-6-6z"/>',
  book:
    '<path class="paper" d="M52 22h52c4 0 6 2 6 6v66c0 4-2 6-6 6H52z"/><path d="M52 22v78M46 32h12M46 46h12M46 60h12M46 74h12M46 88h12"/><path class="warm" d="M68 38h30v16H68z"/><path d="M68 68h28M68 78h20"/>',
};
