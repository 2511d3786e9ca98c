// Opens a study in OHIF, in Debian's Chromium, and prints as JSON what the viewer shows of it.
// Standard input: {url, study, segmentations: [series number], structures: series number or null,
//   report: series number or null, points: [[x, y, z]], pictures: folder}. Coordinates are LPS in mm.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const job = JSON.parse(readFileSync(0, 'utf8'));
const SOFTWARE_WEBGL = ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];
const NO_NETWORK = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({
  executablePath: job.chromium,
  args: ['--no-sandbox', ...NO_NETWORK, ...SOFTWARE_WEBGL],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 800 } });
// Patient: a machine that does other work besides draws a picture in seconds, not in milliseconds
page.setDefaultTimeout(300000);
const logged = { errors: [], warnings: [] };
page.on('console', m => {
  if (m.type() === 'error') logged.errors.push(m.text().slice(0, 500));
  if (m.type() === 'warning') logged.warnings.push(m.text().slice(0, 200));
});
page.on('pageerror', e => logged.errors.push(`uncaught: ${e.message.slice(0, 500)}`));
page.on('requestfailed', r => logged.errors.push(`failed: ${new URL(r.url()).pathname} ${r.failure()?.errorText}`));

async function open(mode) {
  await page.goto(`${job.url}/${mode}?StudyInstanceUIDs=${job.study}`);
  await page.waitForFunction(() => window.services?.cornerstoneViewportService && window.cornerstone);
  await page.evaluate(inPage);
}

// Everything below runs in the viewer's page.
function inPage() {
  const { displaySetService, segmentationService, measurementService, viewportGridService, cornerstoneViewportService } =
    window.services;
  const { metaData } = window.cornerstone;
  const sleep = ms => new Promise(done => setTimeout(done, ms));
  async function until(what, condition, seconds = 300) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(40)) {
      const found = await condition();
      if (found) return found;
    }
    throw new Error(`not within ${seconds} s: ${what}`);
  }
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const bySeries = number => displaySetService.activeDisplaySets.find(set => set.SeriesNumber === number);
  const active = () => viewportGridService.getActiveViewportId();
  const viewport = () => cornerstoneViewportService.getCornerstoneViewport(active());

  /** The viewport stays, which is exchanged where it needs another type, and its image has come. */
  async function loaded() {
    const shown = viewport();
    const id = shown?.getCurrentImageId?.();
    if (!id || !window.cornerstone.cache.isLoaded(id)) return false;
    await sleep(400);
    return viewport() === shown && shown.getCurrentImageId() === id;
  }

  async function show(displaySet) {
    await until('the image before', loaded);
    const uids = [displaySet.displaySetInstanceUID];
    await window.commandsManager.run('setDisplaySetsForViewports', {
      viewportsToUpdate: [{ viewportId: active(), displaySetInstanceUIDs: uids }],
    });
  }

  /** Turn to the slice that a point lies on, until it has been drawn. */
  async function goTo(point) {
    await until('the slice', async () => {
      const shown = viewport();
      const ids = shown?.getImageIds?.() ?? [];
      const distances = ids.map(id => {
        const plane = metaData.get('imagePlaneModule', id);
        const normal = cross(plane.rowCosines, plane.columnCosines);
        return Math.abs(dot(normal, point) - dot(normal, plane.imagePositionPatient));
      });
      const index = distances.indexOf(Math.min(...distances));
      const there = () => shown.getCurrentImageId() === ids[index];
      if (there()) return true;
      const drawn = new Promise(done => {
        shown.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', done, { once: true });
        setTimeout(done, 3000);
      });
      await window.cornerstone.utilities.jumpToSlice(shown.element, { imageIndex: index });
      await drawn;
      // A viewport that was exchanged meanwhile is asked again
      return viewport() === shown && there();
    });
  }

  function pixelAt(point) {
    const shown = viewport();
    const [x, y] = shown.worldToCanvas(point);
    const scale = shown.canvas.width / shown.canvas.clientWidth;
    const context = shown.canvas.getContext('2d');
    return [...context.getImageData(Math.round(x * scale), Math.round(y * scale), 1, 1).data].slice(0, 3);
  }

  /** The labelled voxels of a segmentation, by segment: their number, mean position, and the one nearest to it. */
  function voxelsOf(segmentationId) {
    const { imageIds } = segmentationService.getSegmentation(segmentationId).representationData.Labelmap;
    const found = {};
    for (const id of imageIds) {
      const image = window.cornerstone.cache.getImage(id);
      const plane = metaData.get('imagePlaneModule', image.referencedImageId);
      image.voxelManager.getScalarData().forEach((segment, offset) => {
        if (!segment) return;
        const along = (offset % image.columns) * plane.columnPixelSpacing;
        const down = Math.floor(offset / image.columns) * plane.rowPixelSpacing;
        (found[segment] ??= []).push(
          [0, 1, 2].map(
            axis => plane.imagePositionPatient[axis] + along * plane.rowCosines[axis] + down * plane.columnCosines[axis]
          )
        );
      });
    }
    return Object.fromEntries(
      Object.entries(found).map(([segment, places]) => {
        const mean = [0, 1, 2].map(axis => places.reduce((sum, p) => sum + p[axis], 0) / places.length);
        const away = p => Math.hypot(...p.map((value, axis) => value - mean[axis]));
        const inside = places.reduce((best, p) => (away(p) < away(best) ? p : best));
        return [segment, { voxels: places.length, centroid_lps_mm: mean, inside_lps_mm: inside }];
      })
    );
  }

  const coloured = ([r, g, b]) => Math.max(r, g, b) - Math.min(r, g, b) > 12;

  Object.assign(window, {
    async ready(count) {
      await until('the series', () => displaySetService.activeDisplaySets.length >= count);
      await until('the first image', loaded);
      return displaySetService.activeDisplaySets.map(set => ({
        number: set.SeriesNumber,
        modality: set.Modality,
        unsupported: Boolean(set.unsupported),
        messages: (set.messages?.messages ?? []).map(message => ({ id: message.id, ...message.args })),
      }));
    },

    async segmentation(number) {
      const id = bySeries(number).displaySetInstanceUID;
      await show(bySeries(number));
      await until('the segmentation in the viewport', () =>
        segmentationService.getSegmentationRepresentations(active(), { segmentationId: id }).length
      );
      await until('the image below it', loaded);
      const voxels = voxelsOf(id);
      const segments = [];
      for (const segment of Object.values(segmentationService.getSegmentation(id).segments)) {
        const colour = [...segmentationService.getSegmentColor(active(), id, segment.segmentIndex)].slice(0, 3);
        const where = voxels[segment.segmentIndex];
        await goTo(where.inside_lps_mm);
        // Labels are drawn after the image; where they never are, the last pixel tells
        await until('', () => coloured(pixelAt(where.inside_lps_mm)), 60).catch(() => null);
        segments.push({ label: segment.label, colour, ...where, pixel: pixelAt(where.inside_lps_mm) });
      }
      return segments;
    },

    hide(number) {
      const segmentationId = bySeries(number).displaySetInstanceUID;
      segmentationService.removeRepresentationsFromViewport(active(), { segmentationId });
    },

    async structures(number) {
      const id = bySeries(number).displaySetInstanceUID;
      await show(bySeries(number));
      await until('the contours', () => segmentationService.getSegmentation(id));
      return Object.values(segmentationService.getSegmentation(id).segments).map(segment => segment.label);
    },

    async report(number) {
      const report = bySeries(number);
      await show(report);
      await until('the measurements', () => report.isHydrated);
      const all = measurementService.getMeasurements();
      // By series, so that each is opened once
      all.sort((a, b) => (a.referenceSeriesUID < b.referenceSeriesUID ? -1 : 1));
      return all.map(measurement => ({
        uid: measurement.uid,
        label: measurement.label,
        tool: measurement.toolName,
        series: measurement.referenceSeriesUID,
        sop: measurement.SOPInstanceUID,
        finding: measurement.finding?.text,
        sites: (measurement.findingSites ?? []).map(site => site.text),
        text: measurement.displayText?.primary ?? [],
        points_lps_mm: measurement.points.map(point => [...point]),
      }));
    },

    async drawn(measurement) {
      const set = displaySetService.getDisplaySetsForSeries(measurement.series)[0];
      if (!viewport()?.getImageIds?.().some(id => id.includes(measurement.sop))) {
        await show(set);
        await until('the measured series', () => viewport()?.getImageIds?.().some(id => id.includes(measurement.sop)));
      }
      await goTo(measurement.points_lps_mm[0]);
      // Those of the slice before stay until this one is drawn; where it never is, the texts tell
      const layer = () => viewport().element.querySelector('svg.svg-layer');
      const texts = () => [...(layer()?.querySelectorAll('text') ?? [])].map(text => text.textContent);
      // A single line has no name beside it
      const named = measurement.tool === 'Length' ? [] : [measurement.label];
      const sought = [...named, ...measurement.text].join('');
      await until('', () => texts().includes(sought), 60).catch(() => null);
      const svg = layer();
      const line = l => ['x1', 'y1', 'x2', 'y2'].map(name => Number(l.getAttribute(name)));
      const box = viewport().element.getBoundingClientRect();
      const around = p => viewport().worldToCanvas([p[0], p[1], p[2]]);
      const [origin] = measurement.points_lps_mm;
      return {
        clip: { x: box.x, y: box.y, width: box.width, height: box.height },
        lines: [...svg.querySelectorAll('line')].map(line),
        // Canvas pixels in the patient's mm, by the viewer's own camera
        lines_lps_mm: [...svg.querySelectorAll('line')].map(l => {
          const [a, b, c, d] = line(l);
          return [viewport().canvasToWorld([a, b]), viewport().canvasToWorld([c, d])].map(point => [...point]);
        }),
        texts: texts(),
        pixel_mm: 1 / Math.abs(around(origin)[0] - around([origin[0] + 1, origin[1], origin[2]])[0]),
      };
    },

    async uptake(points) {
      const pet = await until('the PET', () =>
        window.cornerstone.cache.getVolumes().find(v => v.metadata?.Modality === 'PT' && v.loadStatus?.loaded)
      );
      return points.map(point => pet.voxelManager.getAtIJK(...pet.imageData.worldToIndex(point).map(Math.round)));
    },
  });
}

const picture = (name, clip) => page.screenshot({ path: `${job.pictures}/${name}.png`, ...(clip ? { clip } : {}) });
const started = Date.now();
const took = {};
const lap = name => (took[name] = (Date.now() - started) / 1000);
const result = { segmentations: {}, measurements: [] };
try {
  await open('viewer');
  result.series = await page.evaluate(count => window.ready(count), job.series);
  lap('open');
  result.isolated = await page.evaluate(() => window.crossOriginIsolated);
  for (const number of job.segmentations) {
    result.segmentations[number] = await page.evaluate(n => window.segmentation(n), number);
    await picture(`segmentation-${number}`);
    lap(`segmentation ${number}`);
    await page.evaluate(n => window.hide(n), number);
  }
  if (job.report) {
    for (const measurement of await page.evaluate(n => window.report(n), job.report)) {
      const drawn = await page.evaluate(m => window.drawn(m), measurement);
      await picture(`measurement-${measurement.uid}`, drawn.clip);
      result.measurements.push({ ...measurement, ...drawn });
    }
  }
  lap('report');
  if (job.structures) {
    result.structures = await page.evaluate(n => window.structures(n), job.structures);
    await picture('structures');
    lap('structures');
    await page.evaluate(n => window.hide(n), job.structures);
  }
  if (job.points.length) {
    // Of ten small pictures, some of them projections, none is looked at here: drawn in software they take long.
    await page.setViewportSize({ width: 640, height: 480 });
    await open('tmtv');
    await page.evaluate(count => window.ready(count), job.series);
    result.uptake = await page.evaluate(points => window.uptake(points), job.points);
    await picture('tmtv');
    lap('uptake');
  }
} catch (error) {
  result.stopped = String(error.message).slice(0, 1000);
  await picture('stopped').catch(() => null);
}
await browser.close();
process.stdout.write(JSON.stringify({ ...result, logged, took_s: took }));
