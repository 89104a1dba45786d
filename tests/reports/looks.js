// What is wrong with how the page looks, as a list of sentences. One expression; nothing of it is part of any page.
(() => {
  const wrong = [];
  const name = element => `${element.tagName} ${element.getAttribute("class") || ""} "${element.textContent.slice(0, 40)}"`;
  for (const details of document.querySelectorAll("details")) details.open = true;

  // Not innerWidth, which grows with its content on a phone.
  const screen = document.documentElement.clientWidth, wide = document.documentElement.scrollWidth;
  if (wide > screen) wrong.push(`the page is ${wide} wide on a screen of ${screen}`);

  const inScroller = element => element.closest(".wide") !== null;
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    if (!box.width || inScroller(element) || element.closest("svg")) continue;
    if (box.right > screen + 1 || box.left < -1) wrong.push(`beyond the screen: ${name(element)}`);
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "hidden")
      wrong.push(`cut off: ${name(element)}`);
  }

  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  for (const svg of document.querySelectorAll("svg.chart")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map(text => [text, text.getBoundingClientRect()]);
    texts.forEach(([text, box], index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        wrong.push(`outside its chart: ${name(text)}`);
      if (box.height < 9) wrong.push(`too small to read: ${name(text)}`);
      for (const [other, its] of texts.slice(index + 1))
        if (overlap(box, its)) wrong.push(`texts overlap: ${name(text)} and ${name(other)}`);
    });
  }

  const texts = [...document.querySelectorAll("h1, h2, h3, p, dt, dd, li, summary, figcaption, .name, .value, th > bdi, td > bdi")];
  const boxes = texts.filter(text => !text.children.length || text.tagName === "BDI")
    .map(text => [text, text.getBoundingClientRect()]).filter(([, box]) => box.width && box.height)
    .sort((a, b) => a[1].top - b[1].top);
  boxes.forEach(([text, box], index) => {
    for (let i = index + 1; i < boxes.length && boxes[i][1].top < box.bottom; i++)
      if (overlap(box, boxes[i][1]) && !text.contains(boxes[i][0]) && !boxes[i][0].contains(text))
        wrong.push(`texts overlap: ${name(text)} and ${name(boxes[i][0])}`);
  });

  // Contrast as in WCAG 2.2, 1.4.3: 4.5 to 1 for text of this size.
  const channels = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const over = (top, under) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => top[i] * alpha + under[i] * (1 - alpha));
  };
  const light = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = element => {
    const colours = [];
    for (let at = element; at; at = at.parentElement) colours.push(channels(getComputedStyle(at).backgroundColor));
    return colours.reverse().reduce((under, colour) => colour.length ? over(colour, under) : under, [255, 255, 255]);
  };
  const seen = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || !element.getBoundingClientRect().width || element.tagName === "STYLE" || element.tagName === "title") continue;
    const ground = behind(element);
    const ink = over(channels(element.tagName === "text" ? style.fill : style.color), ground);
    const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
    const contrast = (high + .05) / (low + .05);
    const key = `${ink}${ground}`;
    if (contrast < 4.5 && !seen.has(key)) wrong.push(`contrast ${contrast.toFixed(2)}: ${name(element)} ${ink.map(Math.round)} on ${ground.map(Math.round)}`);
    seen.add(key);
  }
  return wrong;
})()
